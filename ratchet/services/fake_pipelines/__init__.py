"""A fake of the Kubeflow Pipelines API on loopback: state, faults, and the answers of the real one."""
