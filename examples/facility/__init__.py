"""The analysis environments of two real facilities, as a table and as a catalogue."""
