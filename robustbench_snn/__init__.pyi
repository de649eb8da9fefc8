from .api import Result as Result
from .api import evaluate as evaluate
from .comparisons import compare as compare
from .corruption.generate import corrupt as corrupt
from .tables import LoadedTable as LoadedTable
from .tables import load_table as load_table
from .tables import run as run
from .weights.importing import import_weights as import_weights

__version__: str
