"""Training recipes for Axolotl: written from one table, checked before they run, recorded while they run."""
