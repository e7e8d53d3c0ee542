"""When a facility has beam or is closed: iCalendar, understood (ical: pure) and read (files)."""
