# The HTTP API and its relay loop. Everything comes as wheels: nothing is compiled, and no tool to compile is left.
FROM python:3.13.9-slim-bookworm AS packages
COPY requirements-layer.txt requirements-service.txt /build/
RUN python -m pip install --no-cache-dir --disable-pip-version-check --only-binary=:all: \
      --target /packages --requirement /build/requirements-service.txt

FROM python:3.13.9-slim-bookworm
# The base image's own installer would be a tool for an intruder.
RUN python -m pip uninstall --yes --quiet pip
WORKDIR /app
COPY --from=packages /packages /packages
COPY api api
COPY carillon carillon
# The root file system is read-only where it runs: bytecode that is not here is compiled at every start.
RUN PYTHONPATH=/packages python -m compileall -q api carillon
ENV PYTHONPATH=/packages PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
USER 65532:65532
EXPOSE 8080
CMD ["python", "-m", "api", "--host", "0.0.0.0"]
