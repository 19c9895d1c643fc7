"""The Mixture of Experts on real prompts: decompose, assess, transfer, integrate, judge; and
competence measured so.
"""
