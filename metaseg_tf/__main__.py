"""``python -m metaseg_tf`` is ``metaseg-tf``."""

from metaseg_tf.cli import main

if __name__ == "__main__":
    main()
