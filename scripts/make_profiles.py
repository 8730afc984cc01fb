"""Make app/metering/profiles.npz: a year of load shapes at 15 minutes.

    python -m venv shapes && shapes/bin/pip install 'demandlib==0.2.2' 'pvlib==0.16.1' 'pandas<3'
    shapes/bin/python scripts/make_profiles.py

Runs at development time only; the application ships the file and needs none of these libraries.
"""

from importlib.metadata import version
from pathlib import Path

import numpy as np
import pandas as pd
from demandlib import bdew
from pvlib.location import Location

YEAR = 2023
STEPS = 365 * 96
LATITUDE, LONGITUDE, ALTITUDE_M = 55.68, 12.57, 10.0
TARGET = Path(__file__).parent.parent / "app" / "metering" / "profiles.npz"
DEMANDLIB = f"demandlib {version('demandlib')}"
PVLIB = f"pvlib {version('pvlib')}"


def outdoor_temperature_celsius() -> pd.Series:
    """The mean course of a Danish year: 0 °C in late January, 17 °C in late July."""
    hours = np.arange(365 * 24)
    season = 8.5 - 8.5 * np.cos(2 * np.pi * (hours / 24 - 22) / 365)
    day = 2.5 * np.sin(2 * np.pi * ((hours % 24) - 9) / 24)
    return pd.Series(
        season + day, index=pd.date_range(f"{YEAR}-01-01", periods=len(hours), freq="h")
    )


def heat(*, hot_water: bool) -> np.ndarray:
    """The BDEW heat profile of a one-family house, with or without its hot water, at 15 minutes."""
    temperature = outdoor_temperature_celsius()
    hourly = bdew.HeatBuilding(
        temperature.index,
        temperature=temperature,
        shlp_type="EFH",
        building_class=1,
        wind_class=0,
        annual_heat_demand=1,
        name="EFH",
        ww_incl=hot_water,
    ).get_bdew_profile()
    return np.interp(np.arange(STEPS) / 4, np.arange(len(hourly)), np.asarray(hourly))


def clear_sky() -> np.ndarray:
    """Irradiance on the ground under a clear sky at Copenhagen, in UTC."""
    instants = pd.date_range(f"{YEAR}-01-01", periods=STEPS, freq="15min", tz="UTC")
    location = Location(LATITUDE, LONGITUDE, "UTC", ALTITUDE_M)
    return location.get_clearsky(instants, model="haurwitz")["ghi"].to_numpy()


def per_unit(shape: np.ndarray) -> np.ndarray:
    """Scaled so that its largest magnitude is 1."""
    return shape / np.abs(shape).max()


def main() -> None:
    slp = bdew.ElecSlp(YEAR).get_profiles()
    electricity = {
        name: per_unit(slp[name].to_numpy()) for name in ("h0_dyn", "h0", "g0", "g1", "g3")
    }
    sun = per_unit(clear_sky())
    space_heat = per_unit(heat(hot_water=False))
    shapes = {
        "HEAT_PUMP": (space_heat, f"BDEW heat profile EFH without hot water, {DEMANDLIB}"),
        "EV_CHARGER": (electricity["h0_dyn"], f"BDEW H0 dynamic (household), {DEMANDLIB}"),
        "BATTERY": (
            per_unit(sun - electricity["h0_dyn"]),
            f"clear sky less BDEW H0: charges on the sun, serves the evening, {PVLIB}, {DEMANDLIB}",
        ),
        "PV": (-sun, f"clear sky (Haurwitz) at Copenhagen, exported, {PVLIB}"),
        "VENTILATION": (electricity["g1"], f"BDEW G1 (weekdays 8 to 18), {DEMANDLIB}"),
        "REFRIGERATION": (electricity["g3"], f"BDEW G3 (continuous), {DEMANDLIB}"),
        "WATER_HEATER": (electricity["h0"], f"BDEW H0 static (household), {DEMANDLIB}"),
        "BASE_LOAD": (electricity["g0"], f"BDEW G0 (business in general), {DEMANDLIB}"),
    }
    np.savez_compressed(
        TARGET,
        kinds=np.array(list(shapes)),
        sources=np.array([source for _, source in shapes.values()]),
        per_unit=np.stack(
            [np.round(shape * 32767).astype(np.int16) for shape, _ in shapes.values()]
        ),
    )
    print(
        f"{TARGET}: {TARGET.stat().st_size / 1024:.0f} KiB, {len(shapes)} profiles of {STEPS} steps"
    )


if __name__ == "__main__":
    main()
