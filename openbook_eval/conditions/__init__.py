"""How the book is laid: open, closed, library, missing, contrary; all on the same items."""

from openbook_eval.conditions.items import LAYOUTS, Condition, Item, ask
from openbook_eval.conditions.material import LENGTHS, Material, gather

__all__ = ["LAYOUTS", "LENGTHS", "Condition", "Item", "Material", "ask", "gather"]
