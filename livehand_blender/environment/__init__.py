"""The engine's Python: using an existing one, making an environment, checking, logs, the doctor."""
