"""Tables, figures and the page: from metrics.json files and pictures alone, without torch."""
