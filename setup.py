"""The one thing that pyproject.toml cannot say: a package from a folder of another name.

The released weights lie in weights/ and travel in the wheel as imfcodec/released_weights/.
"""

from pathlib import Path

from setuptools import find_packages, setup

packages = find_packages(include=["imfcodec*"])
package_dir = {}
if Path("weights").is_dir():
    packages.append("imfcodec.released_weights")
    package_dir["imfcodec.released_weights"] = "weights"

setup(packages=packages, package_dir=package_dir)
