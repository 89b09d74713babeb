"""Command lines to paste, shown below each command's help. A test parses each of them."""

from __future__ import annotations

EXAMPLES: dict[str, tuple[str, ...]] = {
    "": (
        "hpotool init train.py                  # writes train.yaml from your script",
        "hpotool check train.yaml --run         # every mistake; runs one trial",
        "hpotool create-study train.yaml",
        "hpotool worker train                   # the same command on each machine",
        "hpotool watch train",
    ),
    "init": (
        "hpotool init train.py             # from its options or its suggest_… calls",
        "hpotool init --example sgd_digits     # an example that runs as it is",
        "hpotool init --from-study old         # from an imported study",
    ),
    "create-study": (
        "hpotool create-study study.yaml",
        "hpotool create-study study.yaml --set budget.trials=400",
        "hpotool create-study study.yaml --if-changed data",
    ),
    "check": ("hpotool check study.yaml", "hpotool check study.yaml --run"),
    "schema": (
        "hpotool schema > study.schema.json",
        "# the first line of study.yaml, for an editor with a YAML language server:",
        "# yaml-language-server: $schema=study.schema.json",
    ),
    "budget": (
        "hpotool budget my-model                # what is used, what is left",
        "hpotool budget my-model --trials +100",
        "hpotool budget my-model --wall 12h --target none",
    ),
    "enqueue": (
        "hpotool enqueue my-model lr=0.01 depth=4",
        "hpotool enqueue my-model points.csv",
        "hpotool enqueue my-model --from-study old --top 3",
    ),
    "worker": (
        "hpotool worker my-model                # on each machine",
        "hpotool worker my-model --gpu auto     # one worker on each GPU",
        "hpotool worker my-model --workers 4    # four on this machine",
    ),
    "pause": ("hpotool pause my-model -m 'data is being copied'",),
    "resume": ("hpotool resume my-model",),
    "drain": ("hpotool drain my-model",),
    "stop": ("hpotool stop my-model", "hpotool stop my-model --trial 15"),
    "retry": (
        "hpotool retry my-model 3 7",
        "hpotool retry my-model --failed",
        "hpotool retry my-model --where 'outcome=crash and lr>0.1'",
    ),
    "reap": ("hpotool reap my-model",),
    "track": (
        "hpotool track my-model --to mlflow --address http://127.0.0.1:5000",
        "hpotool track my-model --to tensorboard --address runs --once",
        "hpotool track my-model --status",
    ),
    "notify": (
        "export HPOTOOL_NOTIFY=mailto://user:password@example.org",
        "hpotool notify --test",
        "hpotool notify my-model",
    ),
    "workers": (
        "hpotool workers my-model",
        "hpotool workers my-model --scale 8",
        "hpotool workers my-model --stop",
    ),
    "pools": ("hpotool pools", "hpotool pools team"),
    "share": (
        "hpotool share my-model --pool team --priority 10",
        "hpotool share my-model --max-running none",
        "hpotool worker --pool team             # on each machine of the fleet",
    ),
    "usage": ("hpotool usage --by owner --since 7d", "hpotool usage --by study -f csv"),
    "quarantine": (
        "hpotool quarantine my-model",
        "hpotool quarantine my-model --add gpu-7 --for 2h --reason 'new driver'",
        "hpotool quarantine my-model --lift gpu-7",
    ),
    "doctor": ("hpotool doctor my-model", "hpotool doctor my-model --host gpu1 --host gpu2 --all"),
    "drill": ("hpotool drill", "hpotool drill --trials 100 --allow kill,cut", "hpotool drill --workers 0"),
    "metrics": ("hpotool metrics", "hpotool metrics --serve --host 0.0.0.0"),
    "studies": ("hpotool studies", "hpotool studies 'digits-*' --tag owner=ann"),
    "status": ("hpotool status my-model", "hpotool status my-model -f json"),
    "watch": ("hpotool watch my-model",),
    "trials": (
        "hpotool trials my-model --top 10",
        "hpotool trials my-model --failed",
        "hpotool trials my-model --where 'lr>0.1 and state=complete' --columns trial,lr",
    ),
    "show": ("hpotool show my-model", "hpotool show my-model 15", "hpotool show my-model --lineage"),
    "logs": ("hpotool logs my-model 15", "hpotool logs my-model 15 -f"),
    "events": ("hpotool events my-model -f", "hpotool events my-model --trial 15"),
    "best": ("hpotool best my-model", "hpotool best my-model -n 5", "hpotool best my-model -f value"),
    "pareto": ("hpotool pareto my-model",),
    "plot": (
        "hpotool plot my-model --open",
        "hpotool plot slice my-model -o slice.png",
        "hpotool plot history my-model my-model-2",
    ),
    "dashboard": ("hpotool dashboard --open", "hpotool dashboard --read-only --port 8081"),
    "importance": ("hpotool importance my-model", "hpotool importance my-model --target failures"),
    "confirm": (
        "hpotool confirm my-model               # the five best, five seeds each",
        "hpotool confirm my-model --trial 15 --trial 20 --seeds 10",
        "hpotool confirm my-model --show",
    ),
    "compare": ("hpotool compare old new", "hpotool compare old new --fail-unless-better"),
    "report": ("hpotool report my-model --open", "hpotool report old new -o report.md"),
    "run": (
        "hpotool run my-model --trial 15 --final",
        "hpotool run my-model --trial 15 --final --artifacts s3://models/my-model",
    ),
    "reproduce": ("hpotool reproduce my-model 15 -o again", "again/reproduce.sh"),
    "artifacts": ("hpotool artifacts my-model", "hpotool artifacts my-model --fetch model"),
    "export": (
        "hpotool export my-model -o best.yaml",
        "hpotool export trials my-model -o trials.csv",
        "hpotool export params my-model -n 5 -o best.yaml",
    ),
    "note": ("hpotool note my-model 'good *start*'", "hpotool note my-model 15 'small, and fast'"),
    "tag": ("hpotool tag my-model owner=ann gpu=a100", "hpotool tag my-model 15 kind=small"),
    "archive": ("hpotool archive old",),
    "unarchive": ("hpotool unarchive old",),
    "rename": ("hpotool rename old new",),
    "clone": ("hpotool clone my-model my-model-2", "hpotool clone my-model my-model-2 --with trials"),
    "import": (
        "hpotool import sqlite:///old.db",
        "hpotool import old.db --study cifar --as cifar-2025",
        "hpotool import trials.csv --study runs --metric val_loss:minimize",
    ),
    "delete": ("hpotool delete old",),
    "clean": ("hpotool clean --dry-run", "hpotool clean --study old --all-checkpoints"),
    "launch local": ("hpotool launch local my-model -n 4",),
    "launch ssh": ("hpotool launch ssh my-model --host gpu1 --host gpu2 -n 2 --gpus 1",),
    "launch slurm": ("hpotool launch slurm my-model -n 8 --gpus 1 --time 4:00:00 --dry-run",),
    "launch kubernetes": ("hpotool launch kubernetes my-model --image registry/my-model:1 -n 8 --gpus 1",),
    "quota": ("hpotool quota", "hpotool quota set ann 100 --per week"),
    "quota set": ("hpotool quota set ann 100 --per week",),
    "quota remove": ("hpotool quota remove ann",),
    "db up": ("hpotool db up", "hpotool db up --listen 10.1.2.3 --allow 10.1.2.0/24"),
    "db down": ("hpotool db down",),
    "db status": ("hpotool db status",),
    "db url": ('psql "$(hpotool db url)"', "hpotool db url --local"),
    "db destroy": ("hpotool db destroy",),
    "db upgrade": ("hpotool db upgrade",),
}


def examples_of(path: str) -> str:
    """The examples of a command, a line for each; empty if there are none."""
    lines = EXAMPLES.get(path, ())
    return "\n".join(["Examples:", *lines]) if lines else ""
