# The core image: stages that load no model (begin, verify, filter, promote, finish).
# Build from the repository's root: docker build -f Dockerfiles/core.Dockerfile -t ratchet-core .
ARG BASE=python:3.11-slim-bookworm
FROM ${BASE} AS build
# A folder of wheels that no index serves (CPU torch, say); empty for most.
ARG LOCK=requirements/core.lock
RUN python -m venv /opt/ratchet && /opt/ratchet/bin/pip install --no-cache-dir uv
COPY requirements/ /src/requirements/
WORKDIR /src
RUN /opt/ratchet/bin/uv pip install --no-cache --no-deps -r "${LOCK}"
COPY pyproject.toml README.md ./
COPY ratchet/ ratchet/
COPY components/ components/
COPY pipelines/ pipelines/
RUN /opt/ratchet/bin/uv pip install --no-cache --no-deps --no-build-isolation . && /opt/ratchet/bin/uv pip uninstall uv

FROM ${BASE}
# What locks models' programs in (verifier draw).
# hadolint ignore=DL3008
RUN apt-get update && apt-get install -y --no-install-recommends libseccomp2 && rm -rf /var/lib/apt/lists/*
ARG REVISION=unknown
LABEL org.opencontainers.image.title="ratchet-core" org.opencontainers.image.licenses="Apache-2.0" org.opencontainers.image.revision="${REVISION}"
COPY --from=build /opt/ratchet /opt/ratchet
# Any user id may run it: everything that is written goes below /tmp.
ENV PATH=/opt/ratchet/bin:$PATH HOME=/tmp HF_HOME=/tmp/hf XDG_CACHE_HOME=/tmp/cache PYTHONUNBUFFERED=1 OMP_NUM_THREADS=1 RATCHET_CODE_REVISION=${REVISION}
USER 65532:65532
WORKDIR /tmp
ENTRYPOINT ["ratchet"]
