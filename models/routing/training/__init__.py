"""Makes the classifier's artefact: `python -m models.routing.training --data DIR --out DIR`.

scikit-learn is needed here, and nowhere where requests are answered.
"""
