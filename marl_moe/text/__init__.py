"""The Mixture of Experts on real prompts, and competence measured with it.

Its steps are the paper's: decompose, assess, transfer, integrate; a judge scores the result.
"""
