from .api import Result as Result
from .api import evaluate as evaluate
from .comparisons import compare as compare
from .corruption.generate import corrupt as corrupt
from .weights.importing import import_weights as import_weights

__version__: str
