"""Checks of the cluster, through its API: as the pod that asks, or as the operator whose kubeconfig it is."""
