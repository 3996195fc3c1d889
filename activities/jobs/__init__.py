"""What runs of jobs do, one module a job type, and the bookkeeping of their rows."""
