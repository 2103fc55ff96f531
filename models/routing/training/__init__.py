"""Makes the classifier's artefact: `python -m models.routing.training --data DIR --out DIR`.

scikit-learn is needed here, torch where the encoder is tuned, and neither where requests are answered.
"""

from models.routing.training.prompts import Prompt, read_prompts
from models.routing.training.retraining import embedded, heads_only, own_prompts
from models.routing.training.signing import new_key

__all__ = ["Prompt", "embedded", "heads_only", "new_key", "own_prompts", "read_prompts"]
