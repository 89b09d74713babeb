# hpotool in a container: workers, dashboard and every other command.
#
#   docker build --build-arg EXTRAS=dashboard,torch --tag hpotool .
#
# EXTRAS are hpotool's own (pyproject.toml), separated by commas. On a machine with GPUs, `torch` brings its CUDA with
# it, and `xgboost-gpu` takes the place of `xgboost`.
ARG PYTHON=3.13
FROM python:${PYTHON}-slim

# The dependencies change rarely and take minutes: they have a layer of their own, which the code does not touch.
# What the empty stand-in for the code leaves behind goes: its files are newer than the code's, and setuptools would
# put them into the real package.
ARG EXTRAS=dashboard,xgboost
WORKDIR /source
COPY pyproject.toml constraints.txt README.md LICENSE ./
RUN mkdir hpotool objectives && touch hpotool/__init__.py objectives/__init__.py \
    && pip install --no-cache-dir --constraint constraints.txt ".[${EXTRAS}]" \
    && rm -rf build *.egg-info hpotool objectives
COPY hpotool hpotool
COPY objectives objectives
RUN pip install --no-cache-dir --no-deps --force-reinstall .

# What workers keep (checkpoints, output, results that wait for the database) belongs to the user that they run as.
RUN useradd --create-home --uid 1000 hpotool && install --directory --owner hpotool /data
ENV HPOTOOL_HOME=/data
WORKDIR /work
COPY objectives objectives
COPY studies studies
USER hpotool
ENTRYPOINT ["hpotool"]
CMD ["--help"]
