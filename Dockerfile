# hpotool in a container: workers, dashboard and every other command.
#
#   docker build --build-arg EXTRAS=dashboard,torch --tag hpotool .
#
# EXTRAS are hpotool's own (pyproject.toml), separated by commas. On a machine with GPUs, `torch` brings its CUDA with
# it, and `xgboost-gpu` takes the place of `xgboost`.
ARG PYTHON=3.13
FROM python:${PYTHON}-slim

# The dependencies change rarely and take minutes: they have a layer of their own, which the code does not touch.
ARG EXTRAS=dashboard,xgboost
WORKDIR /source
COPY pyproject.toml constraints.txt README.md LICENSE ./
RUN mkdir hpotool objectives studies && touch hpotool/__init__.py \
    && pip install --no-cache-dir --constraint constraints.txt ".[${EXTRAS}]" \
    && rm -r hpotool objectives studies
COPY hpotool hpotool
COPY objectives objectives
COPY studies studies
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
