"""A process beside a run that has imported everything once: it forks the jobs of this machine, and lends them workers.

`client` hands a job over, `server` forks it, `clusters` keeps the workers, and `beside` starts it all. A job for which
there is no service runs by itself.
"""
