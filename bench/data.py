"""Cambrian beside scikit-learn on its own tables, in the same run.

`python3 bench/data.py [OPTION ...]`, which `bin/bench data` calls, prints a table: the mean and the standard deviation over
the same five folds. Cambrian gets each fold as a user would hand it over: a CSV file to `cambrian evolve`, SECONDS (10) of
time, and another file to `cambrian predict`. Further options go to `evolve`. The others are logistic regression (ridge
regression for numbers) and a perceptron with one hidden layer (MLP), both with scikit-learn's defaults but for the number of
iterations, and scaled by the training rows.
"""
import csv
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

import sklearn
from sklearn import datasets
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import accuracy_score, r2_score
from sklearn.model_selection import KFold, StratifiedKFold
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

CAMBRIAN = Path(__file__).resolve().parent.parent / "bin" / "cambrian"
SECONDS = os.environ.get("SECONDS_A_FOLD", "10")
TABLES = os.environ.get("TABLES", "iris wine breast_cancer digits diabetes").split()


def cambrian(columns, train, test, options):
    """The answers for the test rows."""
    with tempfile.TemporaryDirectory() as folder:
        where = Path(folder)
        write(where / "train.csv", columns + ["target"], [[*x, y] for x, y in zip(*train)])
        write(where / "test.csv", columns, test)
        run("evolve", "--csv", where / "train.csv", "--label", "target", "--test", "0", "--seed", "1", "--quiet",
            "--generations", "1000000000", "--timeout", f"{SECONDS}s", "--out", where, *options)
        answers = run("predict", where / "champion.genotype", "--csv", where / "test.csv")
        return [row[0] for row in csv.reader(answers.splitlines())][1:]


def write(path, columns, rows):
    with open(path, "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows(rows)


def run(*arguments):
    done = subprocess.run([CAMBRIAN, *arguments], capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"cambrian {arguments[0]}: {done.stderr}")
    return done.stdout


def row(name, options):
    """The scores of each contestant on each fold."""
    data = getattr(datasets, f"load_{name}")()
    is_numbers = name == "diabetes"
    target = data.target.astype(float if is_numbers else int)
    folds = (KFold if is_numbers else StratifiedKFold)(5, shuffle=True, random_state=0)
    score = r2_score if is_numbers else accuracy_score
    peers = {
        "linear": Ridge if is_numbers else lambda: LogisticRegression(max_iter=5000),
        "MLP": (lambda: MLPRegressor(max_iter=5000, random_state=0)) if is_numbers
        else (lambda: MLPClassifier(max_iter=5000, random_state=0)),
    }
    columns = [str(column) for column in data.feature_names]
    scores = {contestant: [] for contestant in ["Cambrian", *peers]}
    for train, test in folds.split(data.data, target):
        answers = cambrian(columns, (data.data[train], target[train]), data.data[test], options)
        scores["Cambrian"].append(score(target[test], [type(target[0])(answer) for answer in answers]))
        for peer, make in peers.items():
            model = make_pipeline(StandardScaler(), make()).fit(data.data[train], target[train])
            scores[peer].append(score(target[test], model.predict(data.data[test])))
    return scores


def main(options):
    warnings.filterwarnings("ignore")
    print(f"scikit-learn {sklearn.__version__}, Python {platform.python_version()}, {os.cpu_count()} cores, {SECONDS} s a "
          f"fold; options: {' '.join(options) or 'none'}\n")
    print("| table | measure | Cambrian | logistic or ridge | MLP |\n|---|---|---|---|---|")
    for name in TABLES:
        scores = row(name, options)
        shown = [f"{statistics.mean(of):.3f} ± {statistics.stdev(of):.3f}" for of in scores.values()]
        print(f"| {name} | {'R²' if name == 'diabetes' else 'accuracy'} | {' | '.join(shown)} |", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
