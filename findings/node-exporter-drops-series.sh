#!/bin/bash
# Prometheus's node exporter: if two .prom files describe one metric differently, the series of the second one are lost.
#
# Expected: HELP is a comment. All series are shown, with either text; or node_textfile_scrape_error is 1.
# Seen: the series of the second file are missing from a response with status 200. node_textfile_scrape_error stays 0; only
#   the exporter's own log has a line. Two versions of one program on a host cause this.
# lmctl: a test keeps its HELP texts from changing.
#
# 2026-11-27, node exporter 1.5.0 (Debian's prometheus-node-exporter 1.5.0-1): series of a alone, scrape error 0.
. "$(dirname "$0")/lib.sh"
apt-get download 'prometheus-node-exporter=1.5.0-1*' >apt.log 2>&1 || { cat apt.log; exit 2; }
dpkg -x prometheus-node-exporter_*.deb .
mkdir texts
printf '# HELP runs_total Runs.\n# TYPE runs_total counter\nruns_total{model="a"} 1\n' >texts/a.prom
printf '# HELP runs_total Runs so far.\n# TYPE runs_total counter\nruns_total{model="b"} 2\n' >texts/b.prom
"${PYTHON:-python3}" - <<'PY'
import subprocess
import time
import urllib.request

address = "127.0.0.1:19109"
options = ["--collector.disable-defaults", "--collector.textfile", "--collector.textfile.directory=texts"]
exporter = subprocess.Popen(
    ["usr/bin/prometheus-node-exporter", *options, f"--web.listen-address={address}"], stderr=subprocess.DEVNULL
)
try:
    for _ in range(100):
        try:
            with urllib.request.urlopen(f"http://{address}/metrics") as answer:
                lines = answer.read().decode().splitlines()
            break
        except OSError:
            time.sleep(0.1)
finally:
    exporter.terminate()
    exporter.wait()
seen = [line for line in lines if line.startswith(("runs_total", "node_textfile_scrape_error"))]
print("\n".join(seen))
assert seen == ["node_textfile_scrape_error 0", 'runs_total{model="a"} 1']
PY
