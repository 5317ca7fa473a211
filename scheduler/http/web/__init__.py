"""The dashboard: pages and API behind one login. Everything it shows comes through `scheduler.http.daemon`."""
