"""The Cityscapes label ids by name."""

from metaseg_tf.data.cityscapes import LABELS

__all__ = ["LABEL_IDS"]

#: Label ids of the Cityscapes annotation files (``*_labelIds.png``).
LABEL_IDS = {label.name: label.label_id for label in LABELS}
