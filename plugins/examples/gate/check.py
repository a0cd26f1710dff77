"""Ends a run as failed when a metric did not pass: check.py FILE [METRIC THAT MAY FAIL]...

The phase images write every score and exit with 0, whatever the scores say. This reads what they wrote.
"""

import json
import sys


def problems(experiment, ignored):
    """Every metric that was asked for and did not pass, in words; and how many were looked at."""
    found, looked_at = [], 0
    for scenario in experiment["scenarios"]:
        for number, step in enumerate(scenario["steps"], 1):
            unscored = [metric["metric_name"] for metric in step.get("metrics") or []]
            for evaluation in step.get("evaluations") or []:
                name = evaluation["metric"]["metric_name"]
                if name in unscored:
                    unscored.remove(name)
                if name not in ignored:
                    looked_at += 1
                    if evaluation["result"]["result"] != "pass":
                        found.append(place(scenario, number, name) + verdict(evaluation))
            for name in unscored:
                if name not in ignored:
                    looked_at += 1
                    # A metric that raised an error is left out of the list.
                    found.append(place(scenario, number, name) + " was not scored; see the log of evaluate")
    return found, looked_at


def place(scenario, number, name):
    return "scenario %s, step %d: %s" % (scenario["name"], number, name)


def verdict(evaluation):
    metric, result = evaluation["metric"], evaluation["result"]
    text = " failed" if result["result"] == "fail" else " has no result"
    if result.get("score") is not None:
        text += ", score %s" % result["score"]
    if metric.get("threshold") is not None:
        text += ", expected at least %s" % metric["threshold"]
    if result.get("details"):
        text += ": " + " ".join(str(result["details"]).split())
    return text


def main(file, *ignored):
    try:
        with open(file, encoding="utf-8") as stream:
            found, looked_at = problems(json.load(stream), ignored)
    except FileNotFoundError:
        return "gate: expected %s, found no such file: did evaluate run?" % file
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        return "gate: expected an evaluated Experiment in %s, found something else: %r" % (file, error)
    if looked_at == 0:
        return "gate: no metric was scored, so there is nothing that passed; name metrics in the scenarios, or leave the gate out"
    if found:
        return "\n".join(["gate: %d of %d metrics did not pass" % (len(found), looked_at)] + found)
    print("gate: all %d metrics passed" % looked_at)
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
