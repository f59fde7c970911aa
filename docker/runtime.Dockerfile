# AnomDet's runtime: `anomdet serve` and `anomdet predict` on an exported detector, without PyTorch.
#
#   docker build -f docker/runtime.Dockerfile -t anomdet-runtime .
#   docker run --rm --read-only -p 127.0.0.1:8000:8000 -v ./exported:/model:ro -v ./token.txt:/run/token:ro anomdet-runtime
#
# Not built in AnomDet's tests, which have no Docker; tests/integration/test_runtime_environment.py installs the same packages.
FROM python:3.11-slim AS build
WORKDIR /source
COPY pyproject.toml setup.py README.md LICENSE MANIFEST.in constraints.txt ./
COPY requirements requirements
COPY configs configs
COPY anomdet anomdet
RUN python -m venv /opt/anomdet \
 && /opt/anomdet/bin/pip install --no-cache-dir -c constraints.txt ".[runtime,serve]" \
 && /opt/anomdet/bin/pip uninstall -y pip setuptools

FROM python:3.11-slim
COPY --from=build /opt/anomdet /opt/anomdet
ENV PATH=/opt/anomdet/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
# A number, so that Kubernetes can see that it is not root (runAsNonRoot).
USER 10001:10001
EXPOSE 8000
# The service finishes what it has accepted; it needs as long as its slowest request (--timeout).
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s \
    CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8000/v2/health/ready', timeout=2)"]
ENTRYPOINT ["anomdet"]
# Whoever reaches the container needs the token; for none, give a command of your own without --token-file.
CMD ["serve", "/model", "--host", "0.0.0.0", "--token-file", "/run/token"]
