"""All components of one kind: a folder is scanned, a decorator names the class or function."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any, Generic, TypeVar, cast

from robustbench_snn.errors import Stopped, UnknownNameError, UserError, did_you_mean, raised, shortened
from robustbench_snn.registry.component import Component, T
from robustbench_snn.registry.declaration import Declaration, Traits, scanned, told

U = TypeVar("U", bound=Callable[..., Any])

ROOT = Path(__file__).resolve().parents[1]


class Registry(Generic[T, Traits]):
    """All components of one kind, resolved by name when first asked for.

    Args:
        kind: singular noun, as in error messages and in ``rbsnn list``; the decorator is ``register_<kind>``.
        package: dotted package that is scanned, with its sub-packages.
        traits: dataclass of what the kind's decorator takes besides name, version and presets.
    """

    def __init__(self, kind: str, package: str, traits: type[Traits]) -> None:
        self.kind = kind
        self.package = package
        self.traits = traits
        self.group = f"robustbench_snn.{kind}s"
        self._loaded: dict[str, Component[T, Traits]] = {}

    def register(
        self,
        name: str,
        *,
        version: int,
        presets: Mapping[str, Mapping[str, Any]] | None = None,
        **traits: Any,
    ) -> Callable[[U], U]:
        """Decorator that puts a class or function under ``name``, and under each preset's name.

        All arguments must be literals: listings read them from the source without importing it.
        """
        facts = self.traits(**traits)

        def decorate(target: U) -> U:
            for declaration in told(target, name, version, presets or {}, facts):
                self._add(Component(declaration, cast("T", target)))
            return target

        return decorate

    def _add(self, component: Component[T, Traits]) -> None:
        name = component.declaration.name
        before = self._loaded.get(name)
        ours = self._scanned.get(name)
        origins = {entry.origin for entry in (before.declaration if before else None, ours) if entry}
        if origins - {component.declaration.origin}:
            raise UserError(
                f"{self.kind} '{name}' of {component.declaration.origin} is already registered by "
                f"{', '.join(sorted(origins))}; give it another name"
            )
        self._loaded[name] = component

    @cached_property
    def _scanned(self) -> dict[str, Declaration[Traits]]:
        """Declarations found in the source files of the package."""
        folder = ROOT.joinpath(*self.package.split(".")[1:])
        found: dict[str, Declaration[Traits]] = {}
        for path in sorted(folder.rglob("*.py")):
            parts = path.relative_to(folder).with_suffix("").parts
            module = ".".join((self.package, *parts)).removesuffix(".__init__")
            for declaration in scanned(path, f"register_{self.kind}", module, self.traits):
                found[declaration.name] = declaration
        return found

    @cached_property
    def _entry_points(self) -> dict[str, EntryPoint]:
        return {point.name: point for point in entry_points(group=self.group)}

    def names(self) -> list[str]:
        """All known names, sorted: shipped, from entry points, and from plug-ins loaded so far."""
        return sorted({*self._scanned, *self._entry_points, *self._loaded})

    def outside(self) -> list[Component[T, Traits]]:
        """All components that do not ship with the package, imported: of entry points and plug-ins."""
        return [self.get(name) for name in sorted({*self._entry_points, *self._loaded}) if name not in self._scanned]

    def __iter__(self) -> Iterator[str]:
        return iter(self.names())

    def __contains__(self, name: object) -> bool:
        return name in self._loaded or name in self._scanned or name in self._entry_points

    def declaration(self, name: str) -> Declaration[Traits]:
        """What is known of a component; imports nothing if it ships with the package."""
        return self._scanned[name] if name in self._scanned else self.get(name).declaration

    def get(self, name: str) -> Component[T, Traits]:
        """Imports the component of this name if need be and returns it.

        Raises:
            UnknownNameError: if there is none, with the nearest name.
        """
        if name not in self._loaded:
            if name in self._scanned:
                importlib.import_module(self._scanned[name].origin)
            elif name in self._entry_points:
                self._load_entry_point(self._entry_points[name])
            else:
                hint = did_you_mean(name, self.names())
                known = f"rbsnn list {self.kind}s; --plugin FILE adds some"
                raise UnknownNameError(f"Unknown {self.kind} '{shortened(name)}'.{hint} ({known})")
        return self._loaded[name]

    def _load_entry_point(self, point: EntryPoint) -> None:
        try:
            point.load()
        except (KeyboardInterrupt, Stopped):
            raise
        except BaseException as error:  # a third party's import may fail in any way, and even call sys.exit
            reason = str(error) if isinstance(error, UserError) else raised(error)
            raise UserError(f"{self.kind} '{point.name}' of {point.value} cannot be imported: {reason}") from error
        if point.name not in self._loaded:
            raise UserError(
                f"the entry point {point.name} = {point.value} in group {self.group} registers no "
                f"{self.kind} '{point.name}'; decorate it with @register_{self.kind}({point.name!r}, ...)"
            )

    def create(self, name: str, *context: Any, **parameters: Any) -> Any:
        """Shorthand for ``get(name).create(*context, **parameters)``."""
        return self.get(name).create(*context, **parameters)
