#!/bin/sh
set -eu
exec python - <<'END'
import os
from pathlib import Path

from deploy.local.clickhouse_server import run

password = Path(os.environ["CLICKHOUSE_PASSWORD_FILE"]).read_text()
run(Path("/var/lib/clickhouse"), 8123, os.environ["CLICKHOUSE_USER"], password, host="0.0.0.0")
END
