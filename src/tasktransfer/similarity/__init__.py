"""Do adapters that are alike transfer alike?"""
