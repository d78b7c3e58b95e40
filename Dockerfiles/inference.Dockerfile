# The inference image: the stages generate and evaluate, and judges, with vLLM beside transformers.
# `make images` builds it; by hand, from the repository's root: docker build -f Dockerfiles/inference.Dockerfile -t ratchet-inference .
# For GPUs: as training, and --build-arg VLLM_LOCK=requirements/gpu-inference.lock
ARG BASE=python:3.11-slim-bookworm

FROM ${BASE} AS build
COPY requirements/images.lock /src/
RUN python -m venv /opt/tools && /opt/tools/bin/pip install --no-cache-dir --no-deps -r /src/images.lock \
    && python -m venv --without-pip /opt/ratchet
ENV UV_CACHE_DIR=/cache UV_LINK_MODE=copy UV_PYTHON=/opt/ratchet/bin/python UV_FIND_LINKS=/wheels UV_COMPILE_BYTECODE=1
WORKDIR /src
COPY requirements/core.lock ./
# Dockerfiles/wheels holds wheels that no index serves; it is empty for most.
RUN --mount=type=cache,target=/cache --mount=type=bind,source=Dockerfiles/wheels,target=/wheels \
    /opt/tools/bin/uv pip install --no-deps -r core.lock

# torch and the libraries that train. What this lock has beyond core.lock is a layer of its own, the same in every image that has it.
FROM build AS torch
ARG TORCH_LOCK=requirements/cpu.lock
# cpu: PyTorch's own index of CPU builds. Empty: what the package index serves, which is the build for GPUs.
ARG TORCH=cpu
COPY ${TORCH_LOCK} torch.lock
RUN --mount=type=cache,target=/cache --mount=type=bind,source=Dockerfiles/wheels,target=/wheels \
    grep -vxFf core.lock torch.lock > torch.txt \
    && /opt/tools/bin/uv pip install --no-deps --prefix /opt/torch ${TORCH:+--torch-backend "${TORCH}"} -r torch.txt

# vLLM, and what it alone needs.
FROM build AS vllm
ARG VLLM_LOCK=requirements/inference.lock
COPY --from=torch /src/torch.lock torch.lock
COPY ${VLLM_LOCK} vllm.lock
RUN --mount=type=cache,target=/cache --mount=type=bind,source=Dockerfiles/wheels,target=/wheels \
    grep -vxFf torch.lock vllm.lock > vllm.txt && /opt/tools/bin/uv pip install --no-deps --prefix /opt/vllm -r vllm.txt

# The code has a layer of its own: a commit changes megabytes, not the gigabytes below.
FROM build AS code
COPY pyproject.toml README.md ./
COPY ratchet/ ratchet/
COPY components/ components/
COPY pipelines/ pipelines/
RUN /opt/tools/bin/uv pip install --no-cache --no-deps --no-build-isolation --prefix /opt/code .

FROM ${BASE}
# vLLM's kernels for CPUs are linked against libnuma; libseccomp locks models' programs in (verifier draw).
ARG PACKAGES="libnuma1 libseccomp2"
# hadolint ignore=DL3008,SC2086
RUN apt-get update && apt-get install -y --no-install-recommends ${PACKAGES} && rm -rf /var/lib/apt/lists/*
# Any user id may run it, also one that no file knows: everything that is written goes below /tmp.
ENV PATH=/opt/ratchet/bin:$PATH HOME=/tmp USER=ratchet LOGNAME=ratchet PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 \
    OMP_NUM_THREADS=1 XDG_CACHE_HOME=/tmp/cache XDG_CONFIG_HOME=/tmp/config HF_HOME=/tmp/hf TRITON_CACHE_DIR=/tmp/triton \
    TORCHINDUCTOR_CACHE_DIR=/tmp/inductor VLLM_CACHE_ROOT=/tmp/vllm NUMBA_CACHE_DIR=/tmp/numba MPLCONFIGDIR=/tmp/matplotlib \
    VLLM_NO_USAGE_STATS=1 DO_NOT_TRACK=1
COPY --from=build /opt/ratchet /opt/ratchet
COPY --from=torch /opt/torch /opt/ratchet
COPY --from=vllm /opt/vllm /opt/ratchet
COPY --from=code /opt/code /opt/ratchet
RUN --mount=type=bind,from=build,source=/opt/tools,target=/opt/tools \
    /opt/tools/bin/cyclonedx-py environment --no-validate --output-reproducible -o /opt/ratchet/sbom.cdx.json /opt/ratchet/bin/python \
    && rm -f /opt/ratchet/.lock
ARG REVISION=unknown
ARG VERSION=unknown
LABEL org.opencontainers.image.title="ratchet-inference" \
    org.opencontainers.image.description="ratchet: generation and evaluation with vLLM" \
    org.opencontainers.image.licenses="Apache-2.0" \
    org.opencontainers.image.version="${VERSION}" \
    org.opencontainers.image.revision="${REVISION}"
ENV RATCHET_CODE_REVISION=${REVISION}
USER 65532:65532
WORKDIR /tmp
ENTRYPOINT ["ratchet"]
