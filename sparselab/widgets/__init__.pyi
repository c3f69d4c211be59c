# Names that load on first use: `utils.lazy` reads them here, and type checkers do.

from ..training.progress import watch as watch
from .both_ends import BothEndsPanel as BothEndsPanel
from .both_ends import both_ends_panel as both_ends_panel
from .explorer import Explorer as Explorer
from .extremes import ExtremePanel as ExtremePanel
from .extremes import extreme_panel as extreme_panel
from .form import ConfigForm as ConfigForm
from .layer import layer_panel as layer_panel
from .live_run import Run as Run
from .page.page import Workbench as Workbench
from .page.page import workbench as workbench
from .panel import TrainingPanel as TrainingPanel
from .panels import activation_panel as activation_panel
from .panels import evolution_panel as evolution_panel
from .panels import paper_panel as paper_panel
from .panels import parallel_panel as parallel_panel
from .panels import pruning_panel as pruning_panel
from .panels import start_panel as start_panel
from .race import RacePanel as RacePanel
from .race import race_panel as race_panel
from .threshold import threshold_panel as threshold_panel
from .views import VIEWS as VIEWS
from .views import View as View
