"""Human labels: sampling, the labeling queue and page (`assay review`), and CSV files (`assay labels`)."""
