"""The local stack: warehouse emulator, model server and Dagster, as processes on this machine."""
