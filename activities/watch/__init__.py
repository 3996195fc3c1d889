"""The watch: judges the bars of many alerts in memory, and wakes the workflows of those to which one matters."""
