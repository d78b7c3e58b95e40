"""Training on a cluster: a TrainJob of Kubeflow Trainer v2 that is made, adopted, watched and deleted.

It speaks with the API server through the kubernetes client. Kubeflow's SDK (0.5) does not fit: it sets no owner references,
its errors are RuntimeErrors without the server's answer, a name that is taken cannot be adopted, its wait needs no pod's
state and knows no queue, its logs cannot be followed again where they broke, and it deletes in the background, so that the
name of a job is free while its pods still run. What it would save is the mapping in `manifest`.

    manifest   what is asked for, as a plain mapping          api        one request, and what its answers mean
    jobs       make, adopt, delete                            looking    from job and pods to words
    watching   wait for its end                               following  the log of its first node
"""
