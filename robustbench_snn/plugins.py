"""Everything that a component's author needs, in one place: base classes, decorators, and what they take.

A component is one file that imports from here alone::

    from robustbench_snn.plugins import FrameEncoder, Stem, register_encoder

``plugins.pyi`` beside this file lists the names. Each is imported when first used, so that a file which registers a
corruption does not load the training code.
"""

from __future__ import annotations

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub("robustbench_snn", __file__)
