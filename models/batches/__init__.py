"""Large offline jobs: files of requests in, files of answers out, whoever dies in between."""

from models.batches.batch import WINDOWS_S, Batch, Fault, NewBatch, batch_id_for, new_batch_id
from models.batches.caretaker import Caretaker
from models.batches.files import FileStore, Owner, StoredFile
from models.batches.line import ENDPOINTS, Answer, Claimed
from models.batches.payers import Payers
from models.batches.runner import Answers, BatchRunner, Limits
from models.batches.store import BatchStore, CaretakerStore, LineStore

__all__ = [
    "ENDPOINTS",
    "WINDOWS_S",
    "Answer",
    "Answers",
    "Batch",
    "BatchRunner",
    "BatchStore",
    "Caretaker",
    "CaretakerStore",
    "Claimed",
    "Fault",
    "FileStore",
    "Limits",
    "LineStore",
    "NewBatch",
    "Owner",
    "Payers",
    "StoredFile",
    "batch_id_for",
    "new_batch_id",
]
