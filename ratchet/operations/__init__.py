"""What keeps loops going on a cluster: their policy, the runs of Kubeflow Pipelines, schedules, triggers, retention."""
