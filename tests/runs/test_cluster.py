"""Extraction over Dask: the same table as in one process, whatever happens to the workers."""

import os
import signal
import socket
import ssl
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from scenes import make_scene

from metaseg_tf import load_run, load_truth
from metaseg_tf.data.sample import Sample, Source
from metaseg_tf.data.softmax import SoftmaxDump, open_dumps, save_dump
from metaseg_tf.errors import (
    ClusterError,
    InputError,
    MetaSegError,
    MissingDependencyError,
    RunError,
)
from metaseg_tf.runs import cluster
from metaseg_tf.runs.cluster import Cluster, connect, parse_resources
from metaseg_tf.runs.extraction import MeasureSettings, extract, open_run
from metaseg_tf.runs.run import Run
from metaseg_tf.runs.work import ImageJob, ImageResult

dask = pytest.importorskip("dask")
distributed = pytest.importorskip("distributed")

IMAGES = 24
SETTINGS = MeasureSettings()


@pytest.fixture(scope="module")
def dumps(tmp_path_factory):
    folder = tmp_path_factory.mktemp("dumps")
    for i in range(IMAGES):
        save_dump(folder / f"{i:02d}.npz", SoftmaxDump(*make_scene(seed=i), f"image{i:02d}"))
    return folder


@pytest.fixture(scope="module")
def local(dumps, tmp_path_factory):
    """The run of one process."""
    out = tmp_path_factory.mktemp("runs") / "local"
    assert len(list(extract_to(out, dumps))) == IMAGES
    return out


@pytest.fixture(scope="module")
def processes():
    """A cluster of two processes that gives a task up when it is lost for the second time."""
    with dask.config.set({"distributed.scheduler.allowed-failures": 1}), connect(workers=2) as made:
        yield made


@pytest.fixture(scope="module")
def listening():
    """Addresses at which two workers and all that belongs to them listen, and their certificate."""
    this = pytest.importorskip("psutil").Process()

    def find():
        family = (this, *this.children(recursive=True))
        sockets = (opened for process in family for opened in process.net_connections())
        return {tuple(opened.laddr) for opened in sockets if opened.status == "LISTEN"}

    before = find()
    with connect(workers=2) as made:
        found = find() - before
        yield found, made._client.security.get_connection_args("client")["ssl_context"]


@pytest.fixture(scope="module")
def threads():
    """A cluster whose workers are threads of this process."""
    with (
        distributed.LocalCluster(n_workers=2, processes=False, dashboard_address=":0") as started,
        distributed.Client(started) as client,
    ):
        yield client


@pytest.fixture
def workers(threads):
    return Cluster(threads)


def extract_to(out, dumps, **options):
    source = open_dumps(dumps)
    return extract(source, open_run(out, source, SETTINGS), SETTINGS, **options)


def rows_as_bytes(out):
    """All rows of a run, and of its truth, sorted."""
    found = []
    for table in (load_run(out).sort_values(["image", "segment"]), load_truth(out)):
        found.append(table.image.str.encode("ascii").to_numpy("S").tobytes())
        found += [table[name].to_numpy().tobytes() for name in table.columns.drop("image")]
    return b"".join(found)


@pytest.mark.parametrize("pack", [None, 5])
def test_a_worker_killed_in_the_middle_changes_no_byte(dumps, local, tmp_path, processes, pack):
    out = tmp_path / "run"
    results = extract_to(out, dumps, cluster=processes, pack=pack)
    finished = [next(results).name for _ in range(3)]
    kill_a_busy_worker(processes._client)
    finished += [result.name for result in results]
    assert sorted(finished) == sorted(Run(local).done())
    assert rows_as_bytes(out) == rows_as_bytes(local)
    assert (out / "run.json").read_text() == (local / "run.json").read_text()


def kill_a_busy_worker(client):
    pids = client.run(os.getpid)
    busy = []
    while not busy:
        busy = [address for address, tasks in client.processing().items() if tasks]
    os.kill(pids[busy[0]], signal.SIGKILL)


def test_an_image_that_kills_its_workers_is_an_error_and_costs_no_other(processes):
    jobs = [ImageJob(name, f"{name}.npz", None) for name in ("good", "deadly", "fine")]
    processes.submit(end_process, jobs)
    results = []
    while len(processes):
        results += processes.collect()
    bad, *others = sorted(results, key=lambda result: result.outcome)
    assert {result.name for result in others} == {"good", "fine"}
    assert bad.outcome == "failed"
    assert isinstance(bad.error, ClusterError)
    assert bad.reason.startswith("deadly.npz: lost 2 workers")


def end_process(jobs):
    if any(job.name == "deadly" for job in jobs):
        os._exit(1)
    return [ImageResult(job.name, "measured") for job in jobs]


def tell_process(jobs):
    return [os.getpid()]


def test_a_run_is_continued_on_a_cluster_and_off_it(dumps, local, tmp_path, workers):
    out = tmp_path / "run"
    for step, pack in enumerate((2, 3, None)):
        results = extract_to(out, dumps, cluster=workers if step % 2 else None, pack=pack)
        assert "measured" in {next(results).outcome for _ in range(8 * step + 4)}
        results.close()
    list(extract_to(out, dumps, cluster=workers, pack=4))
    assert rows_as_bytes(out) == rows_as_bytes(local)
    assert {r.outcome for r in extract_to(out, dumps, cluster=workers)} == {"kept"}


def test_workers_write_to_any_place_that_fsspec_reaches(dumps, local, workers):
    out = "memory://runs/XC"
    list(extract_to(out, dumps, cluster=workers))
    assert Run(out).compact(10) == IMAGES
    list(extract_to("memory://runs/packed", dumps, cluster=workers, pack=5))
    assert rows_as_bytes("memory://runs/packed") == rows_as_bytes(local)
    assert rows_as_bytes(out) == rows_as_bytes(local)
    assert {r.outcome for r in extract_to(out, dumps)} == {"kept"}


@pytest.fixture
def bad_dumps(tmp_path):
    """A good image; then one that is broken, one with fewer classes and one with a name again."""
    folder = tmp_path / "bad"
    folder.mkdir()
    for i in range(2):
        save_dump(folder / f"{i}.npz", SoftmaxDump(*make_scene(), f"image{i}"))
    (folder / "2.npz").write_bytes(b"broken")
    save_dump(folder / "3.npz", SoftmaxDump(*make_scene(n_classes=3), "image3"))
    save_dump(folder / "4.npz", SoftmaxDump(*make_scene(seed=1), "image1"))
    return folder


def test_bad_images_are_skipped_and_listed(bad_dumps, tmp_path, workers):
    results = list(extract_to(tmp_path / "run", bad_dumps, skip_errors=True, cluster=workers))
    assert sorted(r.outcome for r in results) == ["failed"] * 3 + ["measured"] * 2
    failed = Run(tmp_path / "run").manifest.failed
    words = {"2.npz": "2.npz", "3.npz": "expected 5 classes", "4.npz": "'image1' twice"}
    assert {name[-5:] for name in failed} == set(words)
    assert all(words[name[-5:]] in reason for name, reason in failed.items())


def test_a_bad_image_stops_and_costs_nothing(bad_dumps, tmp_path, workers):
    finished = []
    results = extract_to(tmp_path / "run", bad_dumps, cluster=workers)
    with pytest.raises(MetaSegError, match=r"\.npz"):
        finished.extend(result.name for result in results)
    assert len(workers) == 0
    assert Run(tmp_path / "run").done() >= set(finished)


def test_a_worker_that_cannot_write_stops_all(dumps, tmp_path, workers, monkeypatch):
    def full(*args):
        raise RunError("disk full")

    monkeypatch.setattr(Run, "write_segments", full)
    with pytest.raises(RunError, match="disk full"):
        list(extract_to(tmp_path / "run", dumps, skip_errors=True, cluster=workers))


def test_few_tasks_wait_at_the_scheduler(tmp_path, workers, monkeypatch):
    """Of a million images not all are planned at once: here five tasks of at most five images."""
    planned = []

    class Item(NamedTuple):
        number: int
        origin = "here"

        @property
        def name(self):
            planned.append(self.number)
            return str(self.number)

        def read(self):
            return Sample(str(self.number), probs=np.full((2, 2, 2), 0.5, "f4"))

    source = Source([Item(i) for i in range(90)], {}, 2)
    workers.backlog = 5
    monkeypatch.setattr(cluster, "_MOST_PER_TASK", 5)
    run = Run.create(tmp_path / "run", {})
    for finished, _ in enumerate(extract(source, run, SETTINGS, cluster=workers), start=1):
        assert len(planned) <= finished + 5 * 6
    assert finished == 90


def test_a_scheduler_that_does_not_answer(monkeypatch):
    monkeypatch.setattr(cluster, "_SECONDS_TO_CONNECT", 0.2)
    with (
        pytest.raises(ClusterError, match=r"127\.0\.0\.1:9: expected a Dask scheduler"),
        connect("tcp://127.0.0.1:9"),
    ):
        pass


def test_workers_here_listen_on_the_loopback_interface_alone(listening):
    """The scheduler, and each worker and its nanny; none of them serves pages as well."""
    addresses, _ = listening
    assert {host for host, _ in addresses} == {"127.0.0.1"}
    assert len(addresses) == 1 + 2 * 2


def test_workers_here_talk_to_nobody_without_their_certificate(listening):
    addresses, certified = listening
    stranger = ssl.create_default_context()
    stranger.check_hostname, stranger.verify_mode = False, ssl.CERT_NONE
    for address in addresses:
        assert hear(address, certified)
        assert not hear(address, stranger)


def hear(address, context):
    """The first byte of what Dask says to whoever connects."""
    try:
        with socket.create_connection(address, 10) as raw, context.wrap_socket(raw) as wrapped:
            return wrapped.recv(1)
    except (ssl.SSLError, ConnectionError):
        return b""


@pytest.mark.parametrize("scheme", ["tcp", "tls"])
def test_a_client_with_another_certificate_is_refused(processes, scheme, monkeypatch):
    monkeypatch.setattr(cluster, "_SECONDS_TO_CONNECT", 0.5)
    address = processes._client.scheduler.address.replace("tls", scheme)
    with dask.config.set(as_config(distributed.Security.temporary())):  # noqa: SIM117
        with pytest.raises(ClusterError, match="certificates"), connect(address):
            pass


def as_config(security):
    """What a user writes into Dask's configuration for these certificates."""
    keys = {"ca-file": security.tls_ca_file}
    for role in ("client", "scheduler", "worker"):
        keys |= {f"{role}.{k}": getattr(security, f"tls_{role}_{k}") for k in ("cert", "key")}
    return {f"distributed.comm.tls.{key}": value for key, value in keys.items()}


@pytest.fixture(scope="module")
def protected(tmp_path_factory):
    """Address of a scheduler with certificates, and the variables that name their files."""
    folder = tmp_path_factory.mktemp("certificates")
    security, names = distributed.Security.temporary(), {}
    for key, text in as_config(security).items():
        (folder / key).write_text(text)
        names["DASK_" + key.replace(".", "__").replace("-", "_").upper()] = str(folder / key)
    with distributed.LocalCluster(
        n_workers=1, processes=False, protocol="tls://", security=security, dashboard_address=":0"
    ) as started:
        yield started.scheduler_address, names


def test_a_scheduler_with_certificates(protected):
    """The variables of docs/scale.md; without them one line says what is missing."""
    address, variables = protected
    code = (
        "from metaseg_tf.runs.cluster import connect\n"
        "from metaseg_tf.errors import ClusterError\n"
        "try:\n"
        f"    with connect({address!r}) as found: print(found is not None)\n"
        "except ClusterError as error: print(error)"
    )

    def try_with(**names):
        words = [sys.executable, "-c", code]
        return subprocess.run(
            words, env=os.environ | names, check=True, capture_output=True, text=True
        )

    scale = (Path(__file__).parents[2] / "docs" / "scale.md").read_text()
    client = {name: path for name, path in variables.items() if "CLIENT" in name or "CA" in name}
    assert len(client) == 3
    assert all(name in scale for name in client)
    assert try_with(**client).stdout == "True\n"
    assert "certificates" in try_with().stdout


def test_without_cryptography_one_is_told_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "cryptography", None)
    with pytest.raises(MissingDependencyError, match=r"metaseg-tf\[cluster\]"), connect(workers=1):
        pass


@pytest.fixture
def mortal(tmp_path, monkeypatch):
    """Kill the worker processes that start from ``first`` to ``last`` (not included)."""

    def kill(last, first=0):
        (tmp_path / "sitecustomize.py").write_text(
            "import os, signal, sys\n"
            "def mark(i):\n"
            f"    try: os.close(os.open(os.path.join({str(tmp_path)!r}, str(i)), 192))\n"
            "    except FileExistsError: return False\n"
            "    return True\n"
            "if '--multiprocessing-fork' in sys.orig_argv:\n"
            "    i = 0\n"
            "    while not mark(i): i += 1\n"
            f"    if {first} <= i < {last}: os.kill(os.getpid(), signal.SIGKILL)\n"
        )
        monkeypatch.setenv("PYTHONPATH", str(tmp_path))

    return kill


def test_workers_killed_while_they_start_are_started_again(mortal):
    mortal(2)
    with connect(workers=1) as started:
        assert started.size == 1
        started.submit(tell_process, [None])
        assert started.collect() != [os.getpid()]
        assert started.size > 1  # since it took no time


def test_workers_that_cannot_start_are_one_line(mortal, capfd):
    mortal(9)
    with pytest.raises(ClusterError, match="3 times in a row") as refused, connect(workers=1):
        pass
    assert str(refused.value).count("\n") == 0
    assert capfd.readouterr() == ("", "")


def test_workers_lost_for_good_are_one_line(mortal, monkeypatch):
    """Dask starts them again for ever: without an end of its own the command would wait as long."""
    monkeypatch.setattr("metaseg_tf.runs.local_workers._SECONDS_WITHOUT_WORKERS", 1)
    mortal(sys.maxsize, first=2)
    with connect(workers=2) as started:
        for pid in started._client.run(os.getpid).values():
            os.kill(pid, signal.SIGKILL)
        while started._client.ncores():  # until the scheduler has seen that they are gone
            time.sleep(0.01)
        started.submit(tell_process, [None])
        with pytest.raises(ClusterError, match="no worker in 1 s") as refused:
            started.collect()
    assert str(refused.value).count("\n") == 0


def test_ctrl_c_while_workers_start_leaves_nothing_behind(tmp_path):
    """The first thing that the worker does is to press Ctrl-C for the process that starts it."""
    (tmp_path / "sitecustomize.py").write_text(
        "import os, pathlib, signal, sys\n"
        "if '--multiprocessing-fork' in sys.orig_argv:\n"
        f"    pathlib.Path({str(tmp_path / 'pid')!r}).write_text(str(os.getpid()))\n"
        "    os.kill(os.getppid(), signal.SIGINT)\n"
    )
    code = (
        "import signal\n"
        "from metaseg_tf.runs.cluster import connect\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "try:\n"
        "    with connect(workers=1): pass\n"
        "except KeyboardInterrupt: print('stopped')"
    )
    environment = os.environ | {"PYTHONPATH": str(tmp_path)}
    words = [sys.executable, "-c", code]
    ended = subprocess.run(words, env=environment, check=True, capture_output=True, text=True)
    assert (ended.stdout, ended.stderr) == ("stopped\n", "")
    assert not pytest.importorskip("psutil").pid_exists(int((tmp_path / "pid").read_text()))


def test_without_dask_one_is_told_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(MissingDependencyError, match=r"metaseg-tf\[cluster\]"), connect(workers=1):
        pass


def test_the_local_run_needs_no_dask():
    code = (
        "import sys\n"
        "sys.modules |= dict.fromkeys(('dask', 'distributed', 'fsspec'))\n"
        "from metaseg_tf.runs import extraction, sources, cluster, run\n"
        "with cluster.connect() as nothing: assert nothing is None"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


def test_an_address_and_a_number_of_workers_exclude_each_other():
    with pytest.raises(InputError, match="got both"), connect("tcp://x:1", workers=2):
        pass


def test_resources():
    assert parse_resources("GPU=1, MEMORY=2e9") == {"GPU": 1.0, "MEMORY": 2e9}
    for text in ("GPU", "GPU=one", "", "GPU=1,"):
        with pytest.raises(InputError, match="GPU=1"):
            parse_resources(text)


def test_a_task_waits_for_a_worker_with_its_resources(threads):
    demanding = Cluster(threads, {"GPU": 1})
    demanding.submit(tell_process, ["on a GPU"])
    relaxed = Cluster(threads)
    relaxed.submit(tell_process, ["anywhere"])
    assert relaxed.collect() == [os.getpid()]
    assert [future.status for future in demanding._running] == ["pending"]
    demanding.cancel()


def test_a_worker_is_prepared_once():
    calls = []

    def prepare():
        calls.append(1)

    for _ in range(3):
        cluster._prepare_process(2, prepare)
    assert calls == [1]
