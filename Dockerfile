# hinet-search on CPU. Build: docker build -t hinet-search .
# Run: docker run --init --user "$(id -u):$(id -g)" -v "$PWD:/study" hinet-search launch quickstart
FROM python:3.11-slim AS build
# Which torch: cpu is the one without CUDA, cu128 and others have it; empty leaves it to the package index
ARG TORCH_BACKEND=cpu
RUN pip install --no-cache-dir uv==0.13.9 && python -m venv /opt/hinet-search
WORKDIR /source
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY .ci/sbom.py .ci/
COPY hinet_search hinet_search
COPY spaces spaces
COPY studies studies
RUN uv pip install --no-cache --python /opt/hinet-search/bin/python --constraint constraints.txt \
    ${TORCH_BACKEND:+"--torch-backend=$TORCH_BACKEND"} .

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
