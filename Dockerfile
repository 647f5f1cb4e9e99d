# hinet-search on CPU. Build: docker build -t hinet-search . ; run: docker run -v "$PWD:/study" hinet-search launch quickstart
FROM python:3.11-slim
WORKDIR /source
COPY . .
RUN pip install --no-cache-dir -c constraints.txt .
WORKDIR /study
ENTRYPOINT ["hinet-search"]
