# hinet-search on CPU. Build: docker build -t hinet-search .
# Run: docker run --init --user "$(id -u):$(id -g)" -v "$PWD:/study" hinet-search launch quickstart
# A server of an exported model, see docs/serve.md: docker build --target serve -t hinet-search-serve .
FROM python:3.11-slim AS build
# Which torch: cpu is the one without CUDA, cu128 and others have it; empty leaves it to the package index
ARG TORCH_BACKEND=cpu
RUN pip install --no-cache-dir uv==0.13.9 && python -m venv /opt/hinet-search
WORKDIR /source
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY hinet_search hinet_search
COPY spaces spaces
COPY studies studies
RUN uv pip install --no-cache --python /opt/hinet-search/bin/python --constraint constraints.txt \
    ${TORCH_BACKEND:+"--torch-backend=$TORCH_BACKEND"} ".[serve]"

FROM python:3.11-slim AS serve
RUN apt-get update && apt-get install --yes --no-install-recommends libgomp1 && rm -rf /var/lib/apt/lists/*
COPY --from=build /opt/hinet-search /opt/hinet-search
ENV PATH="/opt/hinet-search/bin:$PATH"
RUN useradd --create-home --uid 1000 serve
USER 1000
EXPOSE 8000
# Ready while a model answers
HEALTHCHECK --interval=10s --timeout=5s --start-period=1m CMD ["python", "-c", \
    "from http.client import HTTPConnection as C; c = C('127.0.0.1', 8000); c.request('GET', '/ready'); exit(c.getresponse().status != 200)"]
# Every address of the container, so HINET_SEARCH_TOKEN must be set
ENTRYPOINT ["hinet-search", "serve", "--host", "0.0.0.0"]
CMD ["/model"]

FROM python:3.11-slim
# The OpenMP runtime that LightGBM needs
RUN apt-get update && apt-get install --yes --no-install-recommends libgomp1 && rm -rf /var/lib/apt/lists/*
COPY --from=build /opt/hinet-search /opt/hinet-search
ENV PATH="/opt/hinet-search/bin:$PATH"
RUN useradd --create-home --uid 1000 study && install --directory --owner study --group study /study
USER 1000
WORKDIR /study
# Healthy while a study can run here: room on the disk, a database that answers, memory
HEALTHCHECK --interval=5m --timeout=1m --start-period=1m CMD ["hinet-search", "doctor"]
ENTRYPOINT ["hinet-search"]
