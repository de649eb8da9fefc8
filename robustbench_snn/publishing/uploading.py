"""Files of published tables into repositories of the Hugging Face hub.

The hub's own library speaks with it, and finds the token: in its own store, or in ``HF_TOKEN``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import robustbench_snn
from robustbench_snn.errors import UnknownNameError, UserError, did_you_mean
from robustbench_snn.publishing.hub import BENCHMARK, Hub, dataset_files, latest, model_files

_REPOSITORY = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}", re.ASCII)


@dataclass(frozen=True)
class Repository:
    """What one repository of the hub is to be given.

    Attributes:
        id: ``OWNER/NAME``.
        kind: a dataset repository, made where it is not there, gets a commit; a model's, never made, a pull request.
        files: content by path.
        message: of the commit.
    """

    id: str
    kind: Literal["dataset", "model"]
    files: Mapping[str, bytes]
    message: str


def repositories(results: Path, hub: Hub, models: Mapping[str, str], *, benchmark: bool) -> list[Repository]:
    """One dataset repository a table, then those of the models that are named.

    Args:
        results: folder of the published tables.
        hub: whose the dataset repositories are.
        models: ids of model repositories by the names of models in the tables.
        benchmark: whether ``eval.yaml`` is uploaded, which the hub takes only from frameworks of its own list.

    Raises:
        StoreError: if there is no table, or one is damaged.
        UserError: if no table has such a model, or an id is none.
    """
    datasets: list[Repository] = []
    of_models: dict[str, dict[str, bytes]] = {name: {} for name in models.values()}
    known: list[str] = []
    for published, table in latest(results):
        files = dict(dataset_files(published, table, hub))
        if not benchmark:
            del files[BENCHMARK]
        message = f"{published.name} {published.version}"
        datasets.append(Repository(hub.dataset(table.name), "dataset", files, message))
        for model, path, content in model_files(published, table, hub):
            known.append(model)
            if model in models:
                if path in of_models[models[model]]:
                    raise UserError(f"{models[model]} is named for several models of the table {table.name}")
                of_models[models[model]][path] = content
    for model, name in models.items():
        if model not in known:
            raise UnknownNameError(f"no latest version that counts has a model '{model}'.{did_you_mean(model, known)}")
        if not _REPOSITORY.fullmatch(name):
            raise UserError(f"a model repository of the hub is OWNER/NAME, got '{name}'")
    message = f"Results of {robustbench_snn.__name__}"
    return [*datasets, *(Repository(name, "model", files, message) for name, files in of_models.items())]


def uploader() -> Callable[[Repository], str]:
    """What uploads a repository's files in one commit, and returns where that can be looked at.

    It raises a :class:`UserError` that says what to do: for a missing token, one that the hub refuses, a repository
    that is not there, and a hub that cannot be reached.

    Raises:
        UserError: if the hub's library is not installed.
    """
    try:
        import httpx2
        from huggingface_hub import CommitOperationAdd, HfApi
        from huggingface_hub.errors import HfHubHTTPError, LocalTokenNotFoundError, OfflineModeIsEnabled
    except ImportError as error:
        raise UserError(f'the hub\'s library is missing ({error}): pip install "robustbench_snn[hub]"') from None
    api = HfApi(token=True, library_name="robustbench_snn", library_version=robustbench_snn.__version__)

    def upload(repository: Repository) -> str:
        dataset = repository.kind == "dataset"
        try:
            if dataset:
                api.create_repo(repository.id, repo_type="dataset", exist_ok=True)
            made = api.create_commit(
                repository.id,
                [CommitOperationAdd(path, content) for path, content in repository.files.items()],
                commit_message=repository.message,
                repo_type=repository.kind,
                create_pr=not dataset,
            )
        except LocalTokenNotFoundError:
            raise UserError("the hub's library has no token: hf auth login keeps one, or set HF_TOKEN") from None
        except HfHubHTTPError as error:
            raise UserError(_refused(repository, error.response.status_code, error.server_message or "")) from None
        except OfflineModeIsEnabled:
            raise UserError("HF_HUB_OFFLINE is set, and keeps the hub's library from any upload") from None
        except httpx2.HTTPError as error:
            raise UserError(
                f"the hub cannot be reached at {api.endpoint}, or the connection was lost ({type(error).__name__}); "
                f"see whether {repository.id} has the files before you try again"
            ) from None
        except (ValueError, KeyError) as error:  # what the hub says of the card, or an answer that is none
            raise UserError(f"the hub does not take the files of {repository.id}: {error}") from None
        return str(made.commit_url if dataset else made.pr_url)

    return upload


def _refused(repository: Repository, status: int, said: str) -> str:
    """What to do about an answer of the hub's."""
    advice = {
        401: "the token is not one of the hub's, or no longer: hf auth login, or another HF_TOKEN",
        403: f"the token may not write to {repository.id}: it needs the permission to write, and its user that of the "
        "owner",
        404: f"there is no {repository.kind} repository {repository.id}, or the token may not see it"
        + ("; rbsnn makes none for models" if repository.kind == "model" else ""),
    }
    words = " ".join(said.split())
    return f"{repository.id}: {advice.get(status, 'the hub refuses it')} (HTTP {status}{': ' if words else ''}{words})"
