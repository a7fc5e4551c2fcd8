# Base image of both stages. It can be any Debian-based image with Python 3.11 or later, for example one created by
# debootstrap without an image registry: see deploy/README.md.
ARG BASE=python:3.11-slim


FROM ${BASE} AS build

# The compiler stays in this stage. A base whose Python is Debian's own also needs "python3-venv python3-dev".
ARG BUILD_PACKAGES="gcc libc6-dev"
RUN apt-get update \
 && apt-get install -y --no-install-recommends ${BUILD_PACKAGES}

# pip has an environment of its own, so that the shipped one does not contain it.
RUN python3 -m venv /pip && python3 -m venv --without-pip /opt/edgedescent

WORKDIR /src
COPY pyproject.toml CMakeLists.txt LICENSE README.md ./
COPY edgedescent/ edgedescent/
COPY adapters/ adapters/
COPY sims/ sims/

# Both secrets are optional: a pip.conf and a CA bundle, for builds behind a proxy or a private index.
RUN --mount=type=secret,id=pip_conf,target=/etc/pip.conf \
    --mount=type=secret,id=ca_bundle,target=/etc/ssl/certs/ca-certificates.crt \
    /pip/bin/pip wheel --no-cache-dir --wheel-dir /wheels ".[onnx]"

# The installation needs no index: all wheels for this Python and processor exist now.
RUN /pip/bin/pip --python /opt/edgedescent/bin/python3 install --no-cache-dir --no-compile --no-index \
      --find-links /wheels "edgedescent[onnx]"

# Remove what is not used at run time: test suites and build tools of numpy, onnx and onnxruntime. Then compile to
# bytecode, which the user of the final stage cannot write: otherwise every start, also of the health check, would
# compile numpy again. The hash-based form does not depend on file times.
COPY deploy/prune.sh /src/deploy/
RUN sh deploy/prune.sh /opt/edgedescent \
 && /opt/edgedescent/bin/python3 -m compileall -q --invalidation-mode unchecked-hash /opt/edgedescent/lib \
 # A missing file must fail this build, not the first snapshot on a device.
 && /opt/edgedescent/bin/python3 -c "import onnx.checker, onnxruntime" \
 && /opt/edgedescent/bin/edgedescent --version


FROM ${BASE}

LABEL org.opencontainers.image.title="EdgeDescent" \
      org.opencontainers.image.description="A streaming online-learning engine for edge devices" \
      org.opencontainers.image.licenses="BSD-3-Clause"

# The user id is fixed, so that folders of the host can be assigned to it. The state folder exists here because a new
# named volume takes over its owner. The status file is in /run, which may be in memory: it is rewritten every ten
# seconds and would wear out an SD card.
RUN groupadd --gid 10001 edgedescent \
 && useradd --no-log-init --uid 10001 --gid 10001 --home-dir /var/lib/edgedescent --no-create-home \
      --shell /usr/sbin/nologin edgedescent \
 && install -d -o edgedescent -g edgedescent -m 0750 /var/lib/edgedescent /run/edgedescent

COPY --from=build /opt/edgedescent /opt/edgedescent
COPY deploy/device.toml /etc/edgedescent/device.toml

# The daemon has one thread; further threads of OpenBLAS would only cost memory. onnxruntime would send telemetry by
# default. Log lines are written without a buffer.
ENV PATH=/opt/edgedescent/bin:$PATH \
    OPENBLAS_NUM_THREADS=1 \
    ORT_DISABLE_TELEMETRY=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    RUNTIME_DIRECTORY=/run/edgedescent

USER 10001:10001
WORKDIR /var/lib/edgedescent
VOLUME /var/lib/edgedescent

HEALTHCHECK --interval=30s --timeout=10s --start-period=30s --retries=3 \
    CMD ["edgedescent", "status", "/etc/edgedescent/device.toml"]

# The exec form delivers SIGTERM to the daemon itself, which stops within ten seconds.
STOPSIGNAL SIGTERM
CMD ["edgedescent", "run", "/etc/edgedescent/device.toml"]
