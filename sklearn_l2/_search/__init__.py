"""What LambdaSearchCV is made of."""
