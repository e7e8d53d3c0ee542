"""jupyter_daaas_data"""
