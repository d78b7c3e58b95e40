# The core image as a server that starts rounds (`ratchet trigger serve`). It adds no file; Kubernetes has probes of its own and may run core.
ARG CORE=ratchet-core:dev
# hadolint ignore=DL3006
FROM ${CORE}
LABEL org.opencontainers.image.title="ratchet-trigger" \
    org.opencontainers.image.description="ratchet: starts the next round when the champion moves"
EXPOSE 8080
HEALTHCHECK --interval=15s --timeout=5s --start-period=20s \
    CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8080/healthz', timeout=4)"]
CMD ["trigger", "serve", "--all", "--host", "0.0.0.0", "--port", "8080"]
