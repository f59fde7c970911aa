# AnomDet for training, evaluation and export.
#
#   docker build -f docker/train.Dockerfile -t anomdet-train .
#   docker run --rm --gpus all --shm-size=1g --user "$(id -u):$(id -g)" -v "$PWD":/work anomdet-train train -c run.yaml
#
# Not built in AnomDet's tests, which have no Docker. The torch of PyPI for Linux runs on CPUs and on CUDA.
FROM python:3.11-slim
WORKDIR /source
COPY pyproject.toml setup.py README.md LICENSE MANIFEST.in constraints.txt requirements.txt ./
COPY requirements requirements
COPY configs configs
COPY anomdet anomdet
# The last line: mmcv asks for opencv-python, which needs screen libraries; the headless one must be the last of the two.
RUN python -m venv /opt/anomdet \
 && /opt/anomdet/bin/pip install --no-cache-dir -c constraints.txt ".[train,export,optional]" \
 && /opt/anomdet/bin/pip install --no-cache-dir --force-reinstall --no-deps -c constraints.txt opencv-python-headless
ENV PATH=/opt/anomdet/bin:$PATH PYTHONUNBUFFERED=1 HOME=/tmp ANOMDET_CACHE_DIR=/tmp/anomdet
USER 10001:10001
WORKDIR /work
ENTRYPOINT ["anomdet"]
CMD ["--help"]
